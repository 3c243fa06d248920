/** Where the BigQuery warehouse is and how it is reached. */
import { BigQuery, type BigQueryOptions } from '@google-cloud/bigquery';
import { type BigQueryWriteClient, managedwriter } from '@google-cloud/bigquery-storage';
import { PassThroughClient } from 'google-auth-library';
import { grpc } from 'google-gax';

export interface BigQueryPlace {
  readonly project: string;
  readonly dataset: string;
  /** Where a new dataset is created and jobs run: `EU`, `US`, `europe-west3`. */
  readonly location: string;
  /** URL of the REST API; null: Google's. One of http:// is asked without an account. */
  readonly endpoint: string | null;
  /** URL of the Storage Write API; null: Google's. One of http:// is asked without an account. */
  readonly storageEndpoint: string | null;
}

/** The client does not try again by itself: it does not know what is safe to repeat. */
export function restClient({ project, location, endpoint }: BigQueryPlace): BigQuery {
  const options: BigQueryOptions = { projectId: project, location, autoRetry: false };
  if (endpoint === null) return new BigQuery(options);
  return new BigQuery({
    ...options,
    apiEndpoint: endpoint,
    useAuthWithCustomEndpoint: true,
    ...(isPlain(endpoint) ? { authClient: new PassThroughClient() } : {}),
  } as BigQueryOptions);
}

export function writeClient({ project, storageEndpoint }: BigQueryPlace): managedwriter.WriterClient {
  type Options = ConstructorParameters<typeof BigQueryWriteClient>[0];
  if (storageEndpoint === null) return new managedwriter.WriterClient({ projectId: project });
  const { hostname, port } = new URL(storageEndpoint);
  const isLocal = isPlain(storageEndpoint);
  const options: Options = {
    projectId: project,
    apiEndpoint: hostname,
    port: Number(port || (isLocal ? 80 : 443)),
    ...(isLocal ? { sslCreds: grpc.credentials.createInsecure() } : {}),
  };
  return new managedwriter.WriterClient(options);
}

const isPlain = (url: string): boolean => url.startsWith('http:');
