import { configGet } from "./config-get.js";
import { configSet } from "./config-set.js";
import type { Endpoint } from "./endpoint.js";
import { explain } from "./explain.js";
import { sourcesAdd } from "./sources-add.js";
import { sourcesList } from "./sources-list.js";
import { sourcesRemove } from "./sources-remove.js";

/** Every kind of request. One line registers one. */
export const ENDPOINTS: readonly Endpoint[] = [explain, sourcesList, sourcesAdd, sourcesRemove, configGet, configSet];
