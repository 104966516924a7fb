/** Of the report: light or dark as the reader has it, and nothing from elsewhere. */
export const STYLE = `
:root { color-scheme: light dark; --back: #fff; --text: #1b1f24; --soft: #59636e; --line: #d5dae0; --card: #f6f8fa; --best: #0a7d3c; --tied: #6ab187; --other: #7a8794; }
@media (prefers-color-scheme: dark) { :root { --back: #11151a; --text: #e6e9ed; --soft: #9aa5b1; --line: #313943; --card: #1a2027; --best: #3fca7b; --tied: #2f7f56; --other: #8894a1; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 24px 16px 64px; max-width: 1180px; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 19px; margin: 36px 0 8px; } h3 { font-size: 15px; margin: 0 0 2px; }
p, li { color: var(--soft); margin: 4px 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; vertical-align: bottom; } th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--back); }
td span { color: var(--soft); font-size: 13px; }
td.best { color: var(--best); font-weight: 700; } td.tied { color: var(--best); }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 500px), 1fr)); gap: 16px; }
figure { margin: 0; padding: 12px; background: var(--card); border-radius: 8px; } figure svg { width: 100%; height: auto; display: block; }
figure p { font-size: 13px; }
text { fill: var(--text); font: 13px system-ui, sans-serif; } text.small { fill: var(--soft); font-size: 11.5px; } text.strong { font-weight: 700; }
.grid { stroke: var(--line); } .error { stroke: var(--soft); stroke-width: 2; } .curve { fill: none; stroke-width: 2; }
circle.best { fill: var(--best); } circle.tied { fill: var(--tied); } circle.other { fill: var(--other); }
.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; padding: 0; margin: 8px 0; list-style: none; } .legend li { display: flex; align-items: center; gap: 6px; font-size: 13px; } .legend svg { width: 30px; height: 10px; flex: none; }
.maps td { padding: 3px; border: 0; } .maps td:first-child { padding-right: 10px; } .maps th { font-size: 12px; font-weight: 500; padding: 4px 3px; white-space: normal; text-align: center; max-width: 132px; overflow-wrap: anywhere; }
.maps img { display: block; width: 128px; height: auto; border-radius: 4px; image-rendering: auto; }
footer { margin-top: 40px; font-size: 13px; overflow-wrap: anywhere; }
`;
