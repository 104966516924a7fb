import { VideoExplainerError } from "../errors.js";

/** What the system is short of, by its error code, and what to do. */
const SHORTAGES: Readonly<Record<string, string>> = {
  EMFILE:
    "this process may open no more files (EMFILE); raise the limit (ulimit -n, LimitNOFILE of the service), or give it fewer sources",
  ENFILE: "the system may open no more files (ENFILE); raise fs.file-max, or end what holds so many",
  EAGAIN:
    "the system starts no more processes or threads (EAGAIN); raise the limit (ulimit -u, TasksMax of the service, the container's pids limit), or give it fewer sources",
  ENOMEM: "there is no memory for another process (ENOMEM); give the worker more, or fewer sources",
  ENOBUFS: "the system has no more room for sockets (ENOBUFS); give it more memory, or fewer sources",
};

/** What the system lacked when it refused, and what to do; undefined when it refused for another reason. */
export const shortageOf = (code: string | undefined): string | undefined =>
  code !== undefined && Object.hasOwn(SHORTAGES, code) ? SHORTAGES[code] : undefined;

/** One that may pass: what it was wanted for is tried again later. */
export class ShortageError extends VideoExplainerError {
  constructor(wanted: string, what: string, cause?: unknown) {
    super("shortage", `${wanted} cannot be started: ${what}`, { cause });
  }
}
