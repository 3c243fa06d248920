/**
 * What Google Cloud's OTLP endpoint wants beside the data: an access token, and a resource that names the
 * project and tells instances apart.
 * https://cloud.google.com/stackdriver/docs/reference/telemetry/v1.metrics
 */
import type { Attributes } from '@opentelemetry/api';
import { gcpMetadata, GoogleAuth } from 'google-auth-library';

export const GOOGLE_ENDPOINT = 'https://telemetry.googleapis.com';
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';

type Environment = Record<string, string | undefined>;

export class GoogleCloud {
  private readonly auth: GoogleAuth;

  constructor(
    private readonly environment: Environment,
    private readonly onError: (message: string) => void,
  ) {
    const projectId = environment.GOOGLE_CLOUD_PROJECT;
    this.auth = new GoogleAuth({ scopes: SCOPE, ...(projectId === undefined ? {} : { projectId }) });
  }

  /** Headers of one export; never throws, since an exporter must not. */
  async headers(): Promise<Record<string, string>> {
    try {
      // With a person's credentials this brings x-goog-user-project; a service account is charged to its own.
      const headers = await this.auth.getRequestHeaders(GOOGLE_ENDPOINT);
      return Object.fromEntries(headers.entries());
    } catch (error) {
      this.onError(
        `traces and metrics cannot be sent to ${GOOGLE_ENDPOINT}: ${(error as Error).message}. ` +
          'Give the service account roles/telemetry.writer, or set OTEL_SDK_DISABLED=true',
      );
      return {};
    }
  }

  /** Attributes of the resource; what cannot be found out is left out. */
  async resource(): Promise<Attributes> {
    const { environment } = this;
    const isAppEngine = Boolean(environment.GAE_ENV);
    const isCloudRun = Boolean(environment.K_SERVICE);
    const platform = isAppEngine ? 'gcp_app_engine' : isCloudRun ? 'gcp_cloud_run' : undefined;
    const [project, region] = await Promise.all([
      this.auth.getProjectId().catch(() => undefined),
      platform === undefined ? undefined : this.region(),
    ]);
    return withoutUndefined({
      'gcp.project_id': project,
      'cloud.provider': 'gcp',
      'cloud.platform': platform,
      'cloud.account.id': project,
      'cloud.region': region,
      'service.name': environment.GAE_SERVICE ?? environment.K_SERVICE,
      'service.version': environment.GAE_VERSION ?? environment.K_REVISION,
      // Points without an instance are refused; App Engine names it, others are told apart by the SDK's id.
      'service.instance.id': environment.GAE_INSTANCE,
    });
  }

  /** `projects/123/regions/europe-west1` */
  private async region(): Promise<string | undefined> {
    const region = await gcpMetadata.instance<string>('region').catch(() => undefined);
    return region?.split('/').at(-1);
  }
}

function withoutUndefined(attributes: Attributes): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined));
}
