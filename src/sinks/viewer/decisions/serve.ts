import type { IncomingMessage, ServerResponse } from "node:http";
import { HEADERS } from "../../../http/headers.js";
import { pathOf, type Route, sendError } from "../routes.js";
import { type Decision, type DecisionStore, PICTURE_TYPES, type PictureName } from "./store.js";

const LIST = "/decisions.json";
const ONE = /^\/decisions\/([^/]+)\/([^/]+)$/;
const LIMITS = { listed: { usual: 100, most: 1_000 } };

const isPicture = (name: string): name is PictureName => Object.hasOwn(PICTURE_TYPES, name);

function send(
  { method }: IncomingMessage,
  response: ServerResponse,
  body: Uint8Array,
  more: Record<string, string>,
): void {
  response.writeHead(200, { ...HEADERS, "Content-Length": body.byteLength, ...more });
  response.end(method === "HEAD" ? undefined : body);
}

const json = (of: object): [Uint8Array, Record<string, string>] => [
  Buffer.from(`${JSON.stringify(of)}\n`),
  { "Content-Type": "application/json" },
];

/** A decision as lists show it; addresses are relative to the page's. */
function listed({ id, key, at, label, probability, why, truth, pictures }: Decision) {
  const [station, source] = key.split("/");
  const address = (name: string) => `decisions/${id}/${name}`;
  return {
    ...{ id, station, source, at: new Date(at).toISOString(), label, probability, why, truth },
    details: address("details.json"),
    pictures: Object.fromEntries(Object.keys(pictures).map((name) => [name.split(".", 1)[0], address(name)])),
  };
}

type Query = { error: string } | { station?: string; source?: string; label?: string; limit: number };

/** What a list is asked for; a sentence where it cannot be. */
function queryOf(request: IncomingMessage): Query {
  const { usual, most } = LIMITS.listed;
  const parameters = new URLSearchParams(request.url?.slice(pathOf(request).length + 1));
  const known = ["station", "source", "label", "limit", "token"];
  const unknown = [...parameters.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined) return { error: "decisions are asked for by station, source, label and limit alone" };
  const [station, source, label] = ["station", "source", "label"].map((name) => parameters.get(name) ?? undefined);
  const limit = parameters.get("limit") ?? `${usual}`;
  if (!/^\d{1,4}$/.test(limit) || Number(limit) < 1 || Number(limit) > most) {
    return { error: `limit is a number from 1 to ${most}` };
  }
  return { station, source, label, limit: Number(limit) };
}

/**
 * Answers `/decisions.json`, newest first, and of each decision `/decisions/{id}/details.json` and its pictures, which
 * never change. `isSource`: whether there is a source of that name, also one without a decision yet.
 */
export const serveDecisions =
  (store: DecisionStore, isSource: (source: string, station?: string) => boolean): Route =>
  (path, { foreign }, request, response) => {
    if (path === LIST) {
      const query = queryOf(request);
      // Of a decision itself nobody guesses the id.
      if (foreign !== null) sendError(response, 421, foreign);
      else if ("error" in query) sendError(response, 400, query.error);
      else if (query.source !== undefined && !isSource(query.source, query.station)) {
        sendError(response, 404, "there is no source of that name");
      } else {
        const { station, source, label, limit } = query;
        const found = store
          .keys()
          .filter((key) => {
            const [ofStation, ofSource] = key.split("/");
            return (station ?? ofStation) === ofStation && (source ?? ofSource) === ofSource;
          })
          .flatMap((key) => store.of(key).toReversed())
          .filter((decision) => label === undefined || decision.label === label);
        const newest = found.sort((a, b) => b.at - a.at).slice(0, limit);
        send(request, response, ...json({ decisions: newest.map(listed) }));
      }
      return true;
    }
    const [, id, name] = ONE.exec(path) ?? [];
    if (id === undefined || name === undefined) return false;
    const decision = store.get(id);
    const picture = isPicture(name) ? decision?.pictures[name] : undefined;
    if (!decision) sendError(response, 404, "this decision is not kept, or not any more");
    else if (picture && isPicture(name)) {
      const forGood = { "Cache-Control": "private, max-age=3600, immutable" };
      send(request, response, picture, { "Content-Type": PICTURE_TYPES[name], ...forGood });
    } else if (name === "details.json") {
      const { placement, summary } = decision;
      send(
        request,
        response,
        ...json({ ...listed(decision), placement, summary: JSON.parse(`${Buffer.from(summary)}`) }),
      );
    } else return false;
    return true;
  };
