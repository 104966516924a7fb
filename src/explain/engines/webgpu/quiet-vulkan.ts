import { setForLibraries } from "../native-environment.js";

/**
 * Mesa's Vulkan layer asks a display server which card it uses, and complains on stderr where there is no session to ask: such as
 * in a service or a container. There it is told not to ask.
 */
export function quietVulkan(env: NodeJS.ProcessEnv = process.env): void {
  if (process.platform !== "linux" || env.XDG_RUNTIME_DIR || env.NODEVICE_SELECT !== undefined) return;
  try {
    setForLibraries("NODEVICE_SELECT", "1");
  } catch {
    // Then it complains.
  }
}
