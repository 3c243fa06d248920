/** Starts the server from the environment, and stops it in order on SIGTERM and SIGINT. */
import { serve } from './cli/serve.js';

await serve(process.env);
