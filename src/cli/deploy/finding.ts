/** What a check found: fine, doubtful or wrong, and what to do about it. */
export interface Finding {
  level: 'ok' | 'warning' | 'error';
  detail: string;
}

export const ok = (detail: string): Finding => ({ level: 'ok', detail });
export const warning = (detail: string): Finding => ({ level: 'warning', detail });
export const error = (detail: string): Finding => ({ level: 'error', detail });
