import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface Certificate {
  cert: string;
  key: string;
}

/** An authority and what it signed, as PEM files in a temporary folder. */
export interface Authority {
  folder: string;
  ca: string;
  /** `names` as openssl writes them, e.g. `IP:127.0.0.1`; `days` may be negative: expired. */
  sign(name: string, names: string, days?: number): Promise<Certificate>;
  remove(): Promise<void>;
}

export async function makeAuthority(): Promise<Authority> {
  const folder = await mkdtemp(join(tmpdir(), "certificates-"));
  const file = (name: string): string => join(folder, name);
  const key = (name: string) => [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:prime256v1",
    "-nodes",
    "-keyout",
    name,
  ];
  const openssl = (...args: string[]) => run("openssl", args, { cwd: folder });
  await openssl("req", "-x509", ...key("ca.key"), "-out", "ca.pem", "-subj", "/CN=test authority", "-days", "30");
  await writeFile(file("index.txt"), "");
  await writeFile(file("ca.conf"), CA_CONF);
  return {
    folder,
    ca: file("ca.pem"),
    async sign(name, names, days = 30) {
      await openssl("req", "-new", ...key(`${name}.key`), "-out", `${name}.csr`, "-subj", `/CN=${name}`);
      await writeFile(file(`${name}.ext`), `subjectAltName = ${names}\nextendedKeyUsage = serverAuth, clientAuth\n`);
      const day = (offset: number): string => {
        const date = new Date(Date.now() + offset * 86_400_000).toISOString();
        return `${date.replace(/[-:T]/g, "").slice(0, 14)}Z`;
      };
      const dates = ["-startdate", day(Math.min(0, days) - 1), "-enddate", day(days)];
      const paths = ["-in", `${name}.csr`, "-out", `${name}.pem`, "-extfile", `${name}.ext`];
      await openssl("ca", "-batch", "-notext", "-config", "ca.conf", ...dates, ...paths);
      return { cert: file(`${name}.pem`), key: file(`${name}.key`) };
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

const CA_CONF = `
[ca]
default_ca = it
[it]
new_certs_dir = .
database = index.txt
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
unique_subject = no
rand_serial = yes
[any]
commonName = supplied
`;
