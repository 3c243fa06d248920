/** The local server as a process of its own: prints the environment of a service that uses it, as JSON. */
import { BigQueryServer } from './server.js';

const server = await BigQueryServer.start();
console.log(JSON.stringify(server.environment()));
process.once('SIGTERM', () => void server.close().then(() => process.exit(0)));
