// The schema of the Helm chart's values: what stands in it by hand, and the schema of the worker's configuration under `config`.

/** What the chart asks of a configuration beyond what the worker asks. */
const HOST = {
  description: "Kubernetes' probes come from outside the container, so a host other than loopback is needed.",
  type: "string",
  not: { enum: ["127.0.0.1", "localhost", "::1"] },
};

/** `values` with the configuration's schema in it; validators of draft 7 read it, as Helm's is one. */
export function chartSchema(values, configuration) {
  const { $schema: _, $id: __, title: ___, ...config } = configuration;
  const { properties, ...rest } = withVariables(config);
  const metrics = {
    ...properties.metrics,
    required: ["host"],
    // The chart opens this port: it has to know it.
    properties: { ...properties.metrics.properties, host: HOST, port: config.properties.metrics.properties.port },
  };
  const whole = {
    description: "The worker's configuration; config/video-explainer.schema.json describes the same.",
    ...rest,
    required: [...rest.required, "metrics"],
    properties: { ...properties, metrics },
  };
  return { ...values, properties: { ...values.properties, config: whole } };
}

/** The worker puts values of the environment in for `${NAME}` before it checks: that may stand wherever no list or object must. */
function withVariables(schema) {
  if (Array.isArray(schema)) return schema.map(withVariables);
  if (typeof schema !== "object" || schema === null) return schema;
  const { type, enum: listed, pattern } = schema;
  if (["number", "integer", "boolean"].includes(type) || (type === "string" && (listed || pattern))) {
    const { description, default: usual, ...plain } = schema;
    return { description, default: usual, anyOf: [plain, { type: "string", pattern: "\\$\\{" }] };
  }
  const deeper = Object.entries(schema).map(([key, value]) => {
    if (key === "properties") return [key, mapValues(value, withVariables)];
    return ["items", "anyOf", "oneOf"].includes(key) ? [key, withVariables(value)] : [key, value];
  });
  return Object.fromEntries(deeper);
}

const mapValues = (object, change) => Object.fromEntries(Object.entries(object).map(([k, v]) => [k, change(v)]));
