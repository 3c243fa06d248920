/** What a failure of Firestore means, in one sentence that says what to do. */
import { status } from '@grpc/grpc-js';
import { type IndexField, indexFor, type Query } from './event-store.firestore.queries.js';

interface Place {
  project: string;
  database: string;
  emulator: string | null;
}

/** @param query what was asked, where that may be what is missing an index */
export function explain(error: unknown, place: Place, query?: Query): string {
  const { code, details = '', message = '' } = error as { code?: number; details?: string; message?: string };
  return `firestore:${place.project}/${place.database} ${reasonOf(code, details || message, place, query)}`;
}

function reasonOf(code: number | undefined, said: string, place: Place, query?: Query): string {
  const { project, database } = place;
  switch (code) {
    case status.PERMISSION_DENIED:
      return `refuses us (${said}). Check the project's name, and give the service's account the role: gcloud projects add-iam-policy-binding ${project} --member=serviceAccount:ACCOUNT --role=roles/datastore.user`;
    case status.UNAUTHENTICATED:
      return `does not know us (${said}). ${CREDENTIALS}`;
    case status.NOT_FOUND:
      return `does not exist (${said}). Check the names in ASSAY_STORE, or create it: gcloud firestore databases create --project=${project} --database='${database}' --type=firestore-native --location=LOCATION`;
    case status.FAILED_PRECONDITION:
      return preconditionOf(said, place, query);
    case status.RESOURCE_EXHAUSTED:
      return `is over a quota (${said}). It goes on by itself once there is room; the quotas are under IAM & Admin > Quotas`;
    case status.DEADLINE_EXCEEDED:
      return `did not answer in time (${said}). The call can be repeated`;
    case undefined:
      return `cannot be opened (${said}). ${CREDENTIALS}`;
    default:
      return `cannot be reached (${said}). ${place.emulator === null ? 'The call can be repeated' : `Is the server at ${place.emulator} (FIRESTORE_EMULATOR_HOST) running?`}`;
  }
}

const CREDENTIALS =
  'Run with a service account of the project, set GOOGLE_APPLICATION_CREDENTIALS to its key file, or run gcloud auth application-default login';

function preconditionOf(said: string, { project, database }: Place, query?: Query): string {
  if (!/index/i.test(said) || query === undefined) {
    return `cannot be used (${said}). The database has to be of type firestore-native`;
  }
  return `misses an index, or still builds it (${said}). Create those of deploy/firestore/firestore.indexes.json; this one: ${indexCommand(indexFor(query), project, database)}`;
}

function indexCommand(fields: IndexField[], project: string, database: string): string {
  const configured = fields.map(
    ({ fieldPath, order }) => ` --field-config=field-path=${fieldPath},order=${order.toLowerCase()}`,
  );
  return `gcloud firestore indexes composite create --project=${project} --database='${database}' --collection-group=events${configured.join('')}`;
}
