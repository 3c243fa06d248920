/**
 * app.yaml of the standard environment: its fields and their ranges, as far as a Node.js service can use them.
 * https://cloud.google.com/appengine/docs/standard/reference/app-yaml
 */
import { readYaml, type YamlFile } from './yaml-file.js';

export interface AppYaml {
  runtime: string;
  service?: string;
  entrypoint?: string;
  env_variables?: Record<string, string | number | boolean>;
  service_account?: string;
}

const INSTANCES = { type: 'integer', minimum: 0, maximum: 1000 };
const UTILIZATION = { type: 'number', minimum: 0.5, maximum: 0.95 };
const IDLE = { anyOf: [INSTANCES, { const: 'automatic' }] };
const LATENCY = {
  type: 'string',
  pattern: '^(\\d+(\\.\\d{1,3})?s|\\d+ms|automatic)$',
  description: 'a time such as 30ms or 1.5s, or automatic',
};
const NAME = {
  type: 'string',
  pattern: '^(?!-)[a-z0-9-]{0,62}[a-z0-9]$',
  description: '1 to 63 lower case letters, digits and dashes',
};
const VARIABLES = {
  type: 'object',
  propertyNames: { pattern: '^[A-Za-z_][A-Za-z0-9_]*$' },
  additionalProperties: { type: ['string', 'number', 'boolean'] },
};
const EXPIRATION = { type: 'string', pattern: '^\\s*\\d+[dhms]?(\\s+\\d+[dhms]?)*\\s*$' };

const strict = (properties: object, required: string[] = []): object => ({
  type: 'object',
  additionalProperties: false,
  required,
  properties,
});

const HANDLER = strict(
  {
    url: { type: 'string', minLength: 1 },
    script: { const: 'auto' },
    static_dir: { type: 'string', minLength: 1 },
    static_files: { type: 'string', minLength: 1 },
    upload: { type: 'string', minLength: 1 },
    secure: { enum: ['always', 'never', 'optional'] },
    redirect_http_response_code: { enum: [301, 302, 303, 307] },
    login: { enum: ['optional', 'required', 'admin'] },
    auth_fail_action: { enum: ['redirect', 'unauthorized'] },
    expiration: EXPIRATION,
    http_headers: { type: 'object', additionalProperties: { type: ['string', 'number'] } },
    mime_type: { type: 'string' },
    require_matching_file: { type: 'boolean' },
    application_readable: { type: 'boolean' },
  },
  ['url'],
);

/** The classes of instances that go with a way of scaling. */
const classes = (scaling: string, names: string[]): object => ({
  if: { required: [scaling] },
  then: { properties: { instance_class: { enum: names } } },
});

const APP_YAML = {
  ...strict(
    {
      runtime: {
        type: 'string',
        pattern: '^nodejs[1-9]\\d$',
        description: 'a Node.js runtime such as nodejs24',
      },
      env: { const: 'standard' },
      service: NAME,
      entrypoint: { type: 'string', minLength: 1 },
      instance_class: { type: 'string' },
      automatic_scaling: strict({
        min_instances: INSTANCES,
        max_instances: { type: 'integer', minimum: 0, maximum: 2147483647 },
        min_idle_instances: IDLE,
        max_idle_instances: IDLE,
        min_pending_latency: LATENCY,
        max_pending_latency: LATENCY,
        target_cpu_utilization: UTILIZATION,
        target_throughput_utilization: UTILIZATION,
        max_concurrent_requests: { type: 'integer', minimum: 1, maximum: 1000 },
      }),
      basic_scaling: strict(
        {
          max_instances: { type: 'integer', minimum: 1 },
          idle_timeout: { type: 'string', pattern: '^\\d+[sm]$', description: 'a time such as 10m' },
        },
        ['max_instances'],
      ),
      manual_scaling: strict({ instances: { type: 'integer', minimum: 1 } }, ['instances']),
      inbound_services: { type: 'array', items: { enum: ['warmup', 'mail', 'mail_bounce'] } },
      handlers: { type: 'array', minItems: 1, maxItems: 100, items: HANDLER },
      env_variables: VARIABLES,
      build_env_variables: VARIABLES,
      service_account: { type: 'string', pattern: '^[^@\\s]+@[^@\\s]+$', description: 'an e-mail address' },
      vpc_access_connector: strict(
        {
          name: { type: 'string', pattern: '^[a-z\\d-]+(/.+)*$' },
          egress_setting: { enum: ['all-traffic', 'private-ranges-only'] },
        },
        ['name'],
      ),
      app_engine_apis: { type: 'boolean' },
      default_expiration: EXPIRATION,
      error_handlers: {
        type: 'array',
        items: strict({
          error_code: { enum: ['default', 'over_quota', 'timeout'] },
          file: { type: 'string', minLength: 1 },
          mime_type: { type: 'string' },
        }),
      },
    },
    ['runtime'],
  ),
  allOf: [
    classes('automatic_scaling', ['F1', 'F2', 'F4', 'F4_1G']),
    classes('basic_scaling', ['B1', 'B2', 'B4', 'B4_1G', 'B8']),
    classes('manual_scaling', ['B1', 'B2', 'B4', 'B4_1G', 'B8']),
  ],
};

export function readAppYaml(path: string): YamlFile<AppYaml> {
  const file = readYaml<AppYaml>(path, 'app.yaml', APP_YAML);
  const scalings = Object.keys(file.content ?? {}).filter((name) => name.endsWith('_scaling'));
  if (scalings.length > 1) file.errors.push(`app.yaml: only one of ${scalings.join(', ')} can be meant`);
  return file;
}
