/** The local server as a process of its own (`npm run bigquery:local`): prints the environment of a service, as JSON. */
import { BigQueryServer } from './server.js';

const server = await BigQueryServer.start();
console.log(JSON.stringify(server.environment()));
process.once('SIGTERM', () => void server.close().then(() => process.exit(0)));
