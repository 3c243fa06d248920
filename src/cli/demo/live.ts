/** The live loop in small: ask through the service, which asks the classifier; correct; read the outcome. */
import type { Candidate, Outcome } from '../../event/prediction.js';
import type { Assay } from './assay.js';
import type { LabelledText } from './corpus.js';

interface Prediction {
  id: string;
  version: string;
  candidates: Candidate[];
}

/** @returns a line for each question, and what became of the last one */
export async function askLive(
  assay: Assay,
  predictor: string,
  texts: readonly LabelledText[],
  titles: ReadonlyMap<string, string>,
): Promise<string[]> {
  const lines: string[] = [];
  for (const [index, { text, label }] of texts.entries()) {
    const subject = `live-${index}`;
    const path = `/v1/predictors/${predictor}/predictions`;
    const { id, version, candidates } = await assay.post<Prediction>(path, { input: text, subject });
    const top = candidates[0]?.label ?? 'nothing';
    const { outcome } = await assay.post<{ outcome: Outcome }>(`/v1/predictions/${id}/corrections`, {
      label,
    });
    lines.push(
      `   "${text}" -> ${top} ${titles.get(top) ?? ''} (${version})`,
      `      the user says ${label} ${titles.get(label) ?? ''}: ${meaning(outcome)}`,
    );
  }
  return lines;
}

function meaning({ status, rank }: Outcome): string {
  if (status === 'right') return 'right';
  return status === 'ranked' && rank !== null
    ? `it was candidate ${rank + 1}`
    : 'it was not among the candidates';
}
