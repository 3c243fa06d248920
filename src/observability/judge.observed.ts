/** The judge, with each of its looks at a canary told to whoever watches. */
import { type CanaryHealth, Judge } from '../verdict/judge.js';

/** Put around a look; passes on what comes of it. */
export type AroundJudging = (predictor: string, look: () => Promise<CanaryHealth>) => Promise<CanaryHealth>;

export class ObservedJudge extends Judge {
  constructor(
    private readonly around: AroundJudging,
    ...needs: ConstructorParameters<typeof Judge>
  ) {
    super(...needs);
  }

  override health(predictor: string): Promise<CanaryHealth> {
    return this.around(predictor, () => super.health(predictor));
  }
}
