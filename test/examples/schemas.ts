/**
 * The shape of what release tools read, as far as the examples use it, written from their documentation. Nothing
 * beside it is allowed: a field that the tool does not know is ignored there, and a mistake here.
 */
import { Ajv2020 } from 'ajv/dist/2020.js';

type Schema = Record<string, unknown>;

const text = { type: 'string', minLength: 1 };
const count = { type: 'integer', minimum: 0 };
const duration = { type: 'string', pattern: '^\\d+(s|m|h)$' };
const list = (items: Schema, more: Schema = {}): Schema => ({ type: 'array', minItems: 1, items, ...more });

function object(required: Record<string, Schema>, optional: Record<string, Schema> = {}): Schema {
  return {
    type: 'object',
    required: Object.keys(required),
    properties: { ...required, ...optional },
    additionalProperties: false,
  };
}

const metadata = object({ name: { type: 'string', pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$' } });
const resource = (apiVersion: string, kind: string, rest: Record<string, Schema>): Schema =>
  object({ apiVersion: { const: apiVersion }, kind: { const: kind }, metadata, ...rest });
const secretKey = object({ secretKeyRef: object({ name: text, key: text }) });
const pairs = list(object({ name: text }, { value: text, valueFrom: secretKey }));

/** https://argo-rollouts.readthedocs.io/en/stable/features/analysis/ and /analysis/web/ */
export const analysisTemplate = resource('argoproj.io/v1alpha1', 'AnalysisTemplate', {
  spec: object({
    args: pairs,
    metrics: list(
      object(
        {
          name: text,
          provider: object({
            web: object(
              { url: text },
              {
                headers: list(object({ key: text, value: text })),
                timeoutSeconds: count,
                jsonPath: { type: 'string', pattern: '^\\{\\$\\..+\\}$' },
              },
            ),
          }),
        },
        {
          interval: duration,
          successCondition: text,
          failureCondition: text,
          failureLimit: count,
          inconclusiveLimit: count,
          consecutiveErrorLimit: count,
          consecutiveSuccessLimit: count,
        },
      ),
    ),
  }),
});

const analysis = object(
  { templates: list(object({ templateName: text })) },
  { args: pairs, startingStep: count },
);

/** https://argo-rollouts.readthedocs.io/en/stable/features/specification/ */
export const rollout = resource('argoproj.io/v1alpha1', 'Rollout', {
  spec: object({
    replicas: count,
    selector: object({ matchLabels: { type: 'object' } }),
    template: object({ metadata: { type: 'object' }, spec: { type: 'object' } }),
    strategy: object({
      canary: object({
        analysis,
        steps: list({
          oneOf: [
            object({ setWeight: { type: 'integer', minimum: 0, maximum: 100 } }),
            object({ pause: object({}, { duration }) }),
            object({ analysis }),
          ],
        }),
      }),
    }),
  }),
});

/** https://docs.flagger.app/usage/webhooks */
export const flaggerCanary = resource('flagger.app/v1beta1', 'Canary', {
  spec: object({
    targetRef: object({ apiVersion: text, kind: text, name: text }),
    service: object({ port: count }),
    analysis: object({
      interval: duration,
      threshold: count,
      maxWeight: count,
      stepWeight: count,
      webhooks: list(
        object(
          {
            name: text,
            type: { enum: ['confirm-rollout', 'pre-rollout', 'rollout', 'confirm-promotion', 'rollback'] },
            url: { type: 'string', format: 'uri-reference' },
          },
          { timeout: duration, metadata: { type: 'object' } },
        ),
      ),
    }),
  }),
});

/** https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax */
export const workflow = object(
  {
    name: text,
    on: object({ workflow_dispatch: object({ inputs: { type: 'object' } }) }),
    jobs: {
      type: 'object',
      additionalProperties: object(
        {
          'runs-on': text,
          steps: list(
            object(
              { name: text, run: text, shell: { const: 'bash' } },
              { id: text, if: text, env: { type: 'object', additionalProperties: text } },
            ),
          ),
        },
        {
          needs: text,
          'timeout-minutes': { type: 'integer', maximum: 360 },
          env: { type: 'object', additionalProperties: text },
          outputs: { type: 'object', additionalProperties: text },
        },
      ),
    },
  },
  {
    concurrency: text,
    permissions: { type: 'object', additionalProperties: { enum: ['read', 'write', 'none'] } },
    env: { type: 'object', additionalProperties: text },
  },
);

/** https://docs.gitlab.com/ci/yaml/ */
export const gitlabJob = object(
  {
    extends: text,
    stage: { enum: ['canary', 'verdict', 'finish'] },
    image: object({ name: text, entrypoint: list({ const: '' }) }),
    script: list(text),
  },
  {
    timeout: duration,
    rules: list(
      object({ if: text }, { when: { enum: ['on_failure', 'on_success', 'manual', 'always', 'never'] } }),
    ),
  },
);

/** https://skaffold.dev/docs/references/yaml/ */
export const skaffold = resource('skaffold/v4beta7', 'Config', {
  manifests: object({ rawYaml: list(text) }),
  deploy: object({ kubectl: { type: 'object' } }),
  verify: list(
    object({
      name: text,
      container: object({ name: text, image: text }, { command: list(text), args: list(text) }),
      executionMode: object({ kubernetesCluster: object({ jobManifestPath: text }) }),
    }),
  ),
});

/** https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/job-v1/ */
export const job = resource('batch/v1', 'Job', {
  spec: object({
    backoffLimit: count,
    template: object({
      spec: object({
        restartPolicy: { enum: ['Never', 'OnFailure'] },
        containers: list(object({ name: text, image: text, env: pairs })),
      }),
    }),
  }),
});

/** https://cloud.google.com/deploy/docs/config-files */
export const pipeline = resource('deploy.cloud.google.com/v1', 'DeliveryPipeline', {
  serialPipeline: object({
    stages: list(
      object({ targetId: text, strategy: object({ standard: object({ verify: { const: true } }) }) }),
    ),
  }),
});

export const target = resource('deploy.cloud.google.com/v1', 'Target', {
  gke: object({ cluster: { type: 'string', pattern: '^projects/[^/]+/locations/[^/]+/clusters/[^/]+$' } }),
  executionConfigs: list(
    object(
      { usages: list({ enum: ['RENDER', 'DEPLOY', 'VERIFY', 'PREDEPLOY', 'POSTDEPLOY'] }) },
      { executionTimeout: { type: 'string', pattern: '^\\d+s$' } },
    ),
  ),
});

/** What is wrong with a document, a line each. */
export function errorsIn(schema: Schema, document: unknown): string[] {
  const ajv = new Ajv2020({ allErrors: true, strict: true, validateFormats: false });
  const validate = ajv.compile(schema);
  validate(document);
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}
