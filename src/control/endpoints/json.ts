import { readRequest } from "../../config/request.js";
import type { Endpoint, JsonEndpoint } from "./endpoint.js";

/** An endpoint whose request is JSON, checked against its schema before it is answered. */
export const json = <T, R>({ answer, ...endpoint }: JsonEndpoint<T, R>): Endpoint => ({
  ...endpoint,
  handle: async (control, body) => answer(control, readRequest(endpoint.request, body)),
});
