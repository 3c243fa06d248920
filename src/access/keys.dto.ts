/** The body that asks for an API key. */
import 'reflect-metadata';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsIn, IsString, Matches } from 'class-validator';
import { type Scope, SCOPES } from '../event/access.js';
import {
  ID_PATTERN,
  NAME_MESSAGE,
  NAME_PATTERN,
  Optional,
  TIME_MESSAGE,
  TIME_PATTERN,
} from '../http/fields.js';

const PREDICTORS_LIMIT = 100;

export class CreateKeyRequest {
  /** For people: whose key it is, or what uses it. */
  @IsString()
  @Matches(ID_PATTERN, { message: 'must be 1 to 256 printable characters' })
  name!: string;

  /** What it may do; admin is all. */
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(SCOPES.length)
  @ArrayUnique()
  @IsIn(SCOPES, { each: true })
  scopes!: Scope[];

  /** The only predictors it is good for; all, if missing. */
  @Optional()
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(PREDICTORS_LIMIT)
  @IsString({ each: true })
  @Matches(NAME_PATTERN, { ...NAME_MESSAGE, each: true })
  predictors?: string[];

  /** From then on it is refused; never, if missing. */
  @Optional()
  @Matches(TIME_PATTERN, TIME_MESSAGE)
  expiresAt?: string;
}
