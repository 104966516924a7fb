export interface ServerInfo {
  jetstream?: boolean;
  auth_required?: boolean;
  tls_required?: boolean;
  version?: string;
  [key: string]: unknown;
}
export declare function parseInfo(line: string): ServerInfo | undefined;
export declare function isUsable(info: ServerInfo | undefined): boolean;
export declare function probe(host: string, port: number, timeoutMs?: number): Promise<ServerInfo | undefined>;
