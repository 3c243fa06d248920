/** What names, ids and times look like, wherever a request carries one. */
import { ValidateIf } from 'class-validator';

/** Longest label, subject, actor and id, in characters. */
export const NAME_LENGTH = 256;

/** Names of predictors and versions: they appear in addresses. */
export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
/** Ids given by callers: anything printable. */
export const ID_PATTERN = /^\P{Cc}{1,256}$/u;
/** A JSON pointer (RFC 6901) through the fields of objects, as both warehouses can follow it. */
export const SCORE_POINTER = /^(\/[A-Za-z_][A-Za-z0-9_.:-]*){1,8}$/;
/** RFC 3339, section 5.6, with an offset. */
export const TIME_PATTERN =
  /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/;
export const TIME_MESSAGE = { message: 'must be a time as in RFC 3339, such as 2026-01-31T13:45:00Z' };
export const NAME_MESSAGE = {
  message: 'must be 1 to 64 letters, digits, dots, dashes or underscores, and begin with a letter or digit',
};

/** May be left out; null is not the same as left out. */
export const Optional = () => ValidateIf((_, value) => value !== undefined);
