import fc from "fast-check";
import { expect, test } from "vitest";
import { childEnvironment } from "../src/child-environment.js";

test("programs are given where to look, in which words, through which proxy and on which hardware, and no secret", () => {
  const needed = {
    PATH: "/usr/bin",
    HOME: "/home/cam",
    LC_ALL: "de_DE.UTF-8",
    TMPDIR: "/var/tmp",
    LD_LIBRARY_PATH: "/opt/ffmpeg/lib",
    http_proxy: "http://proxy:3128",
    LIBVA_DRIVER_NAME: "iHD",
    CUDA_VISIBLE_DEVICES: "1",
    FFREPORT: "level=32",
  };
  const secrets = {
    NATS_PASSWORD: "a",
    CAM_1_PASSWORD: "b",
    AWS_SECRET_ACCESS_KEY: "c",
    // Services whose names begin as drivers' variables do.
    LD_SDK_KEY: "d",
    VK_TOKEN: "e",
    NVIDIA_API_KEY: "f",
    CUDA_TOKEN: "g",
    XDG_SECRET: "h",
    NODE_OPTIONS: "--require ./secrets.js",
  };
  expect(childEnvironment({ ...needed, ...secrets })).toEqual(needed);
});

test("what else a program needs is named by the user", () => {
  const env = { VIDEO_EXPLAINER_PASS_ENV: "MY_DRIVER, OTHER", MY_DRIVER: "1", OTHER: "2", THIRD: "3" };
  expect(childEnvironment(env)).toEqual({ MY_DRIVER: "1", OTHER: "2" });
});

test("of a variable of any other name nothing is passed on", () => {
  const name = fc.stringMatching(/^[A-Z][A-Z0-9_]{0,12}_(?:PASSWORD|TOKEN|SECRET|KEY|URL|DSN)$/);
  fc.assert(
    fc.property(name, fc.string(), (key, value) => {
      expect(childEnvironment({ [key]: value })).toEqual({});
    }),
    { seed: 13, numRuns: 200 },
  );
});
