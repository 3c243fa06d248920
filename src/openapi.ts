/** The OpenAPI document at /openapi.json and its page at /docs, from the same schemas that validate. */
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { KEY_SCHEME } from './access/scope.js';
import { PROBLEM_ANSWER } from './intake/answers.js';
import { requestSchemas } from './http/validation.js';

/** Whether an address belongs to the document or its page, which are for everybody. */
export function isApiPage(url: string): boolean {
  return /^\/(docs|openapi\.json)(?![a-z.])/.test(url);
}

export function documentApi(app: NestFastifyApplication): void {
  // Made when first asked for: most processes never are.
  SwaggerModule.setup('docs', app, () => openApiDocument(app), { jsonDocumentUrl: 'openapi.json' });
}

function openApiDocument(app: NestFastifyApplication): OpenAPIObject {
  const description = new DocumentBuilder()
    .setTitle('Assay')
    .setDescription(
      'Predictions, corrections and deployments as one event stream; a judge for canary releases.',
    )
    .setVersion('1')
    .addBearerAuth(
      {
        type: 'http',
        description: 'An API key, made by `assay keys create`. None is needed before the first.',
      },
      KEY_SCHEME,
    )
    .build();
  const document = SwaggerModule.createDocument(app, description);
  const schemas = { ...requestSchemas('#/components/schemas/'), Problem: PROBLEM_ANSWER };
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, ...(schemas as object) },
  };
  for (const path of Object.values(document.paths)) {
    for (const operation of Object.values(path) as Array<{ responses?: Record<string, unknown> }>) {
      if (operation.responses !== undefined) operation.responses.default = PROBLEM;
    }
  }
  return document;
}

const PROBLEM = {
  description: 'A problem, RFC 9457',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
};
