export interface Identity {
  pid: number;
  start: string | undefined;
}
export declare function widePath(env?: Record<string, string | undefined>): string;
export declare function findProgram(name: string, searchPath?: string): string | undefined;
export declare function startToken(pid: number): string | undefined;
export declare function identify(pid: number): Identity;
export declare function isAlive(identity: Identity | undefined): boolean;
export declare function stopProcess(identity: Identity, graceMs: number): Promise<boolean>;
export declare function freePort(wanted: number): Promise<number>;
export declare function isFree(port: number): Promise<boolean>;
export declare function sleep(ms: number): Promise<void>;
