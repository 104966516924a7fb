import type { NatsConnection, Service } from "nats";

/**
 * Makes the answers to `$SRV.STATS` such as can be sent. The client leaves the rejection of one that cannot (larger than
 * the server takes, or its connection gone meanwhile) to nobody, which would end the worker.
 */
export function guardStatsReply(nc: NatsConnection, service: Service): void {
  const original = service.stats.bind(service);
  const never = new Promise<never>(() => {});
  service.stats = async () => {
    const stats = await original().catch(() => never);
    const maxBytes = nc.info?.max_payload ?? 0;
    const fits = (answer: object): boolean => Buffer.byteLength(JSON.stringify(answer)) <= maxBytes;
    if (nc.isClosed()) return never;
    if (fits(stats)) return stats;
    const bare = { ...stats, endpoints: stats.endpoints?.map(({ data: _, ...endpoint }) => endpoint) };
    return fits(bare) ? bare : never;
  };
}
