/**
 * Variables that programs started by this one are given; all others stay here. A worker's environment holds what its
 * configuration names as `${…}`, and whatever else its host keeps there: passwords of cameras and brokers, keys of clouds.
 */
const NAMES: ReadonlySet<string> = new Set(
  [
    // Where programs, folders and words are found.
    "PATH HOME USER LOGNAME LANG LANGUAGE TZ TZDIR TMPDIR TMP TEMP XDG_RUNTIME_DIR XDG_CACHE_HOME XDG_CONFIG_HOME",
    "XDG_CONFIG_DIRS XDG_DATA_HOME XDG_DATA_DIRS SYSTEMROOT WINDIR COMSPEC PATHEXT USERPROFILE APPDATA LOCALAPPDATA",
    // The dynamic linker; a pretended clock is one for all.
    "LD_LIBRARY_PATH LD_PRELOAD DYLD_LIBRARY_PATH DYLD_FALLBACK_LIBRARY_PATH FAKETIME FAKETIME_TIMESTAMP_FILE",
    "FAKETIME_SHARED FAKETIME_NO_CACHE FAKETIME_CACHE_DURATION FAKETIME_DONT_FAKE_MONOTONIC FAKETIME_DONT_RESET DONT_FAKE_MONOTONIC",
    // The network.
    "http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY SSL_CERT_FILE SSL_CERT_DIR",
    "GNUTLS_SYSTEM_PRIORITY_FILE OPENSSL_CONF RES_OPTIONS LOCALDOMAIN",
    // ffmpeg's own.
    "FFREPORT FFMPEG_DATADIR FFMPEG_PATH FFPROBE_PATH AV_LOG_FORCE_NOCOLOR SRT_LOG_LEVEL",
    // Hardware, its drivers and displays.
    "CUDA_VISIBLE_DEVICES CUDA_DEVICE_ORDER CUDA_CACHE_PATH CUDA_CACHE_DISABLE CUDA_MODULE_LOADING NVIDIA_VISIBLE_DEVICES",
    "NVIDIA_DRIVER_CAPABILITIES NVD_BACKEND NVD_LOG NVD_GPU VK_ICD_FILENAMES VK_DRIVER_FILES VK_ADD_DRIVER_FILES VK_LAYER_PATH",
    "DRI_PRIME DRI_NUM LIBGL_ALWAYS_SOFTWARE LIBGL_DRIVERS_PATH GALLIUM_DRIVER GBM_BACKEND GBM_BACKENDS_PATH AMD_DEBUG",
    "RADV_DEBUG RADV_PERFTEST ANV_DEBUG INTEL_DEBUG HSA_OVERRIDE_GFX_VERSION HIP_VISIBLE_DEVICES ROCR_VISIBLE_DEVICES",
    "ONEVPL_SEARCH_PATH ONEVPL_PRIORITY_PATH INTEL_MEDIA_RUNTIME MFX_HOME OCL_ICD_VENDORS OPENCL_VENDOR_PATH",
    "ZE_AFFINITY_MASK ZE_ENABLE_ALT_DRIVERS DISPLAY XAUTHORITY WAYLAND_DISPLAY",
    // Engines that are tried in a process of their own.
    "ORT_DISABLE_TELEMETRY OMP_NUM_THREADS TBB_NUM_THREADS OPENVINO_LOG_LEVEL OPENVINO_LIBRARIES CUDA_LIBRARIES NVIDIA_TF32_OVERRIDE",
  ].flatMap((line) => line.split(" ")),
);
/** Families of drivers' and locales' variables, whose members nobody can list. */
const FAMILIES = /^(?:LC_(?:ALL|[A-Z]+)$|LIBVA_|VDPAU_|MESA_|__GL_|__GLX_|__NV_|__EGL_)/;
/** Names of further ones, set by users who need them, separated by commas. */
const MORE = "VIDEO_EXPLAINER_PASS_ENV";

/** The environment for programs that this one starts: `env` without what they do not need. */
export function childEnvironment(env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const more = new Set((env[MORE] ?? "").split(",").map((name) => name.trim()));
  const given: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined && (NAMES.has(name) || FAMILIES.test(name) || more.has(name))) given[name] = value;
  }
  return given;
}
