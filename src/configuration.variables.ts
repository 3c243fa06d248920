/** Every variable of the environment that the service reads, with its default and its meaning. */

interface Variable {
  name: string;
  fallback: string;
  meaning: string;
}

/** What `assay serve --help` lists. */
export const VARIABLES: readonly Variable[] = [
  { name: 'PORT', fallback: '8080', meaning: 'port to listen on, 0 for any free one' },
  {
    name: 'HOST',
    fallback: '127.0.0.1',
    meaning: 'address to listen on; anything but loopback takes an API key first (assay keys create)',
  },
  {
    name: 'ASSAY_STORE',
    fallback: 'sqlite:./data/events.db',
    meaning: 'where events are kept; in the cloud firestore:PROJECT or firestore:PROJECT/DATABASE',
  },
  {
    name: 'ASSAY_SETTLE_SECONDS',
    fallback: '5',
    meaning: 'Firestore only: how long its youngest events are kept back from the projection, 0.1 to 300',
  },
  {
    name: 'ASSAY_WAREHOUSE',
    fallback: 'duckdb:./data/warehouse.duckdb',
    meaning: 'where they are projected to; also bigquery:PROJECT.DATASET',
  },
  {
    name: 'ASSAY_BIGQUERY_LOCATION',
    fallback: 'EU',
    meaning: 'where the dataset is, or is created: EU, US, europe-west3, ...',
  },
  {
    name: 'ASSAY_BIGQUERY_MAX_GIB',
    fallback: '100',
    meaning: 'GiB that one question may read; a rebuild twenty times as much',
  },
  {
    name: 'ASSAY_BIGQUERY_ENDPOINT',
    fallback: '',
    meaning: 'URL of the BigQuery API, for private endpoints and tests; with http:// no account is used',
  },
  {
    name: 'ASSAY_BIGQUERY_STORAGE_ENDPOINT',
    fallback: '',
    meaning: 'the same for the Storage Write API',
  },
  {
    name: 'ASSAY_SUBJECT_SECRET',
    fallback: '',
    meaning:
      'key under which subjects are hashed, 16 characters or more; default: made once, kept beside the events',
  },
  {
    name: 'ASSAY_UNRECORDED',
    fallback: 'refuse',
    meaning: '"serve" answers predictions with recorded: false while the store cannot write',
  },
  { name: 'ASSAY_POLICY', fallback: '', meaning: 'JSON file with the terms on which canaries are judged' },
  {
    name: 'ASSAY_RATE_LIMIT',
    fallback: '',
    meaning:
      'requests of one API key (or one address) in a time, such as 600/1m, or off; default: 30000/1m, off where no key is asked for',
  },
  {
    name: 'ASSAY_CORS_ORIGINS',
    fallback: '',
    meaning: 'origins whose pages may ask from a browser, such as https://app.example,https://b.example',
  },
  {
    name: 'ASSAY_TRAFFIC',
    fallback: 'service',
    meaning:
      'who splits traffic: "service" this service alone, "appengine" App Engine too, by cookie ("appengine:ip", "appengine:random")',
  },
  {
    name: 'ASSAY_WEBHOOKS',
    fallback: '',
    meaning:
      'who is told of verdicts and steps: a JSON list of {name, url, secret, ...}, or a file that holds one (docs/release-tools.md)',
  },
  { name: 'LOG_LEVEL', fallback: 'info', meaning: 'error, warn, info or debug' },
  {
    name: 'ASSAY_LOG_FORMAT',
    fallback: '',
    meaning: 'text, or json for Cloud Logging; default: json on App Engine and Cloud Run, else text',
  },
  {
    name: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    fallback: '',
    meaning:
      'where traces and metrics are sent by OTLP/HTTP; default: nowhere, on App Engine and Cloud Run Google Cloud; the other OTEL_ variables count too',
  },
];
