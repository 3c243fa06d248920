import { describe, expect, test } from '@jest/globals';
import { Classifier } from '#assay/cli/demo/classifier.js';
import { buildCorpus, labelledTexts, sameness, type LabelledText } from '#assay/cli/demo/corpus.js';
import { readDescriptions } from '#assay/cli/demo/naics.js';

const descriptions = readDescriptions();

describe('the texts of the demo', () => {
  test('are read out of titles, sentences, enumerations and examples', () => {
    const texts = labelledTexts({
      '3118': {
        Title: 'Bakeries and Tortilla ManufacturingT ',
        Description: 'See industry description for 31181.',
      },
      '311812': {
        Title: 'Commercial Bakeries ',
        Description:
          'This U.S. industry comprises establishments primarily engaged in (1) baking fresh bread (except cookies); or (2) freezing rolls.' +
          '  Selling bread is classified in Retail Trade.\r\n\r\nIllustrative Examples:\r\n\r\nBread bakeries\r\n\r\n\r\nCross-References. Establishments--',
      },
    });
    expect(texts).toEqual(
      [
        ['Bakeries and Tortilla Manufacturing', 'title'],
        ['Commercial Bakeries', 'title'],
        ['baking fresh bread', 'description'],
        ['freezing rolls', 'description'],
        ['Bread bakeries', 'example'],
      ].map(([text, kind]) => ({ text, kind, label: '3118' })),
    );
  });

  test('a text that stands for two codes is left out', () => {
    const texts = labelledTexts({
      '1111': { Title: 'Grain', Description: 'See industry description for 1.' },
      '1112': { Title: 'grain', Description: 'See industry description for 2.' },
    });
    expect(texts).toEqual([]);
  });

  test.each([1, 2, 3])('what users ask was not learnt, not even spelt otherwise (seed %i)', (seed) => {
    const { training, unseen } = buildCorpus(descriptions, seed);
    const learnt = new Set(training.map(({ text }) => sameness(text)));
    expect(unseen.filter(({ text }) => learnt.has(sameness(text)))).toEqual([]);
    expect(training.length).toBeGreaterThan(4000);
    expect(unseen.length).toBeGreaterThan(1500);
  });

  test('the same seed draws the same texts, another seed others', () => {
    const unseen = (seed: number): string[] => buildCorpus(descriptions, seed).unseen.map(({ text }) => text);
    expect(unseen(7)).toEqual(unseen(7));
    expect(unseen(7)).not.toEqual(unseen(8));
  });
});

describe('the classifier of the demo', () => {
  const { training, unseen } = buildCorpus(descriptions, 1);
  const everything = new Classifier(training);

  test('finds the right code for most texts it has not seen, and more often the more it has learnt', () => {
    const third = new Classifier(training.slice(0, Math.round(training.length / 3)));
    const [full, part] = [shareRight(everything, unseen), shareRight(third, unseen)];
    expect(full).toBeGreaterThan(0.55);
    expect(full).toBeLessThan(0.8);
    expect(part).toBeLessThan(full - 0.1);
    expect(part).toBeGreaterThan(10 * majorityShare(training, unseen));
  });

  test('its confidences are shares of one vote, best first', () => {
    const candidates = everything.rank('manufacturing of ice cream and frozen desserts', 5);
    expect(candidates[0]?.label).toBe('3115');
    const confidences = candidates.map(({ confidence }) => confidence ?? NaN);
    expect(confidences).toEqual([...confidences].sort((a, b) => b - a));
    expect(confidences.every((confidence) => confidence > 0 && confidence <= 1)).toBe(true);
    expect(confidences.reduce((sum, confidence) => sum + confidence)).toBeLessThanOrEqual(1.001);
  });

  test('its confidence tells how often it is right', () => {
    const sure = unseen.filter(({ text }) => (everything.rank(text, 1)[0]?.confidence ?? 0) >= 0.8);
    const unsure = unseen.filter(({ text }) => (everything.rank(text, 1)[0]?.confidence ?? 0) < 0.4);
    expect(shareRight(everything, sure)).toBeGreaterThan(0.8);
    expect(shareRight(everything, unsure)).toBeLessThan(0.5);
  });

  test('has no candidate for a text without a known word', () => {
    expect(everything.rank('qqq zzz', 5)).toEqual([]);
  });
});

function shareRight(classifier: Classifier, texts: readonly LabelledText[]): number {
  const right = texts.filter(({ text, label }) => classifier.rank(text, 1)[0]?.label === label);
  return right.length / texts.length;
}

/** How often one would be right by always naming the most frequent code. */
function majorityShare(training: readonly LabelledText[], unseen: readonly LabelledText[]): number {
  const counts = new Map<string, number>();
  for (const { label } of training) counts.set(label, (counts.get(label) ?? 0) + 1);
  const [most] = [...counts].sort(([, one], [, other]) => other - one)[0] ?? [];
  return unseen.filter(({ label }) => label === most).length / unseen.length;
}
