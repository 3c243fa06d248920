/** The bar that the HTTP benchmark measures against: Fastify with a schema in and out, and nothing behind it. */
import Fastify from 'fastify';

const text = { type: 'string' } as const;
const app = Fastify();
app.post(
  '/echo',
  {
    schema: {
      body: {
        type: 'object',
        required: ['input'],
        additionalProperties: false,
        properties: { input: text, subject: text, limit: { type: 'integer' } },
      },
      response: {
        200: { type: 'object', properties: { input: text, subject: text, limit: { type: 'integer' } } },
      },
    },
  },
  (request) => Promise.resolve(request.body),
);
const url = await app.listen({ port: 0, host: '127.0.0.1' });
console.log(`echo listens on ${url}`);
process.once('SIGTERM', () => void app.close().then(() => process.exit(0)));
