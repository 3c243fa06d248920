/** Makes, lists and revokes API keys over HTTP. */
import { Body, Controller, Delete, Get, HttpCode, Param, Post, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Route } from '../http/route.js';
import { AccessKeys, type CreatedKey, type KeyDocument } from './access-keys.js';
import { KeyRing } from './key-ring.js';
import { CreateKeyRequest } from './keys.dto.js';
import { Scope } from './scope.js';

@ApiTags('keys')
@Controller('v1/keys')
export class KeysController {
  constructor(
    private readonly keys: AccessKeys,
    private readonly ring: KeyRing,
  ) {}

  @Post()
  @Scope('admin', 'all')
  @ApiOperation({ summary: 'Create an API key; this answer is the only one that holds it' })
  @Route({ accepts: CreateKeyRequest })
  async create(
    @Body() body: CreateKeyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CreatedKey> {
    // No receipt for an Idempotency-Key is kept: it would hold the key as it is.
    const created = await this.keys.create(body);
    await this.ring.readAgain();
    reply.header('cache-control', 'no-store');
    return created;
  }

  @Get()
  @Scope('admin', 'all')
  @ApiOperation({ summary: 'All API keys there ever were, without what makes them keys' })
  async list(): Promise<{ keys: KeyDocument[] }> {
    return { keys: await this.keys.list() };
  }

  @Delete(':id')
  @HttpCode(204)
  @Scope('admin', 'all')
  @ApiOperation({ summary: 'Revoke an API key' })
  async revoke(@Param('id') id: string): Promise<void> {
    await this.keys.revoke(id);
    await this.ring.readAgain();
  }
}
