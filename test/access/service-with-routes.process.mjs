/** The service as it always starts, in a process of its own; prints its address and its route table as JSON. */
import { readConfiguration } from '#assay/configuration.js';
import { startService } from '#assay/server.js';

const service = await startService(readConfiguration(process.env));
console.log(JSON.stringify({ url: service.url, routes: service.routes }));
process.once('SIGTERM', () => void service.close().then(() => process.exit(0)));
