/**
 * One of Google's REST APIs, asked as the identity under which the process runs: the service account of App Engine
 * or Cloud Run, or what `gcloud auth application-default login` left on a developer's machine.
 */
import type { gaxios, GoogleAuth } from 'google-auth-library';

/** Attempts after the first one on 408, 429, 5xx and lost connections, with growing pauses from half a second. */
const RETRIES = 3;
const FIRST_PAUSE_MS = 500;
const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
/** One attempt takes no longer, milliseconds. */
const TIMEOUT_MS = 15_000;

/** An answer that is not 2xx, or none. */
export class GoogleApiError extends Error {
  override readonly name = 'GoogleApiError';

  constructor(
    message: string,
    /** HTTP status; null when there was no answer. */
    readonly status: number | null,
    /** Google's own word for it, `SERVICE_DISABLED` or `PERMISSION_DENIED`; null when it gave none. */
    readonly reason: string | null,
  ) {
    super(message);
  }
}

interface ErrorDocument {
  error?: { message?: string; status?: string; details?: Array<{ reason?: string }> };
}

export class GoogleApi {
  private auth: Promise<GoogleAuth> | null = null;

  constructor(
    /** `https://secretmanager.googleapis.com` */
    private readonly address: string,
    private readonly firstPauseMs = FIRST_PAUSE_MS,
  ) {}

  /**
   * @param path from the root, query included: `/v1/apps/p/services/s?updateMask=split`
   * @throws GoogleApiError
   */
  async ask<Answer>(
    method: 'GET' | 'PATCH',
    path: string,
    options: { body?: unknown; signal?: AbortSignal } = {},
  ): Promise<Answer> {
    this.auth ??= import('google-auth-library').then(
      // Every path names its project. Without one here the library would start gcloud to find it.
      ({ GoogleAuth: Auth }) => new Auth({ scopes: SCOPE, projectId: 'named-in-the-path' }),
    );
    const auth = await this.auth;
    try {
      const { data } = await auth.request<Answer>({
        url: new URL(path, this.address).href,
        method,
        timeout: TIMEOUT_MS,
        responseType: 'json',
        // Both methods may be sent again: a PATCH here says what should be, not what should change.
        retryConfig: { retry: RETRIES, retryDelay: this.firstPauseMs, httpMethodsToRetry: ['GET', 'PATCH'] },
        ...(options.body === undefined ? {} : { data: options.body }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
      return data;
    } catch (error) {
      throw explained(error, this.address);
    }
  }
}

function explained(error: unknown, address: string): GoogleApiError {
  const { response, message } = error as gaxios.GaxiosError<ErrorDocument>;
  if (response === undefined) {
    const isAnonymous = message.includes('default credentials');
    const detail = isAnonymous
      ? 'there are no Google credentials here: run on Google Cloud, or `gcloud auth application-default login`'
      : message;
    return new GoogleApiError(`${address} could not be asked: ${detail}`, null, null);
  }
  const told = response.data?.error;
  const reason = told?.details?.find((detail) => detail.reason !== undefined)?.reason ?? told?.status ?? null;
  return new GoogleApiError(told?.message ?? message, response.status, reason);
}

/**
 * Where an API is: Google's address, or the one in gcloud's own variable for it
 * (`CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER`), as private networks need.
 */
export function addressOf(api: 'secretmanager' | 'appengine', environment: NodeJS.ProcessEnv): string {
  const override = environment[`CLOUDSDK_API_ENDPOINT_OVERRIDES_${api.toUpperCase()}`]?.trim();
  return override === undefined || override === '' ? `https://${api}.googleapis.com` : override;
}
