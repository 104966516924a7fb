/**
 * URL of a worker's JavaScript beside the calling module. Tests run from `src/*.ts`, where no JavaScript lies; they get
 * the built one from `dist/`.
 */
export function workerUrl(callerUrl: string, relative: string): URL {
  const url = new URL(relative, callerUrl);
  if (!callerUrl.endsWith(".ts")) return url;
  return new URL(url.href.replace(/\/src\/(?!.*\/src\/)/, "/dist/"));
}
