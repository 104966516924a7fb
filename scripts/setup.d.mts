export declare const root: string;
export declare class SetupError extends Error {}
export declare function parseVersion(text: string): number[];
export declare function isAtLeast(version: string, wanted: string): boolean;
export declare function distributionNames(osRelease: string): string[];
export declare function packagesFor(programs: string[]): string[];
interface LockFile {
  packages?: Record<string, { version?: string; integrity?: string; [key: string]: unknown }>;
}
export declare function isInstallCurrent(lock: LockFile, installed: LockFile): boolean;
export declare function isBuildCurrent(
  stamp: { sources: string; entryTime?: number } | undefined,
  sources: string,
  entryTime: number | undefined,
): boolean;
export declare function digestSources(folder?: string): string;
export declare const IMAGE_NODE: { version: string; sha256: string; program: string };
export declare function checkNode(version?: string): void;
export declare function setup(options: { programs: string[]; say?: (line: string) => void }): void;
