/**
 * Addresses that no webhook is sent to: those that a machine has for itself alone, among them the metadata servers of
 * cloud providers, which hand out credentials. Loopback and private networks are where many receivers are.
 */
import { lookup as resolve } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';

const FORBIDDEN = new BlockList();
FORBIDDEN.addSubnet('169.254.0.0', 16, 'ipv4');
FORBIDDEN.addSubnet('0.0.0.0', 8, 'ipv4');
FORBIDDEN.addSubnet('fe80::', 10, 'ipv6');
// The same link-local range, as NAT64, 6to4 and old IPv4-compatible addresses carry it.
FORBIDDEN.addSubnet('64:ff9b::a9fe:0', 112, 'ipv6');
FORBIDDEN.addSubnet('2002:a9fe::', 32, 'ipv6');
FORBIDDEN.addSubnet('::a9fe:0', 112, 'ipv6');
// The metadata servers of AWS, Google, Alibaba and Oracle, outside of the link-local ranges.
FORBIDDEN.addSubnet('fd00:ec2::', 32, 'ipv6');
FORBIDDEN.addAddress('fd20:ce::254', 'ipv6');
FORBIDDEN.addAddress('100.100.100.200', 'ipv4');
FORBIDDEN.addAddress('192.0.0.192', 'ipv4');
FORBIDDEN.addAddress('::', 'ipv6');

const METADATA = /^(metadata|metadata\.google\.internal|metadata\.goog|instance-data)\.?$/i;

/** @param host name or address, an IPv6 address in brackets or without */
export function isForbidden(host: string): boolean {
  const address = host.replace(/^\[|\]$/g, '').replace(/%.*$/, '');
  const version = isIP(address);
  if (version === 0) return METADATA.test(address);
  // A mapped IPv4 address is looked up among those of IPv4.
  return FORBIDDEN.check(address, version === 4 ? 'ipv4' : 'ipv6');
}

/** Looks a name up, and refuses it when it leads to such an address. */
export const guardedLookup: LookupFunction = (hostname, options, done) => {
  resolve(hostname, { ...options, all: true }, (error, found) => {
    if (error !== null) return done(error, '', 4);
    const refused = found.find(({ address }) => isForbidden(address));
    if (refused !== undefined) {
      return done(new Error(`${hostname} is at ${refused.address}, where no webhook is sent to`), '', 4);
    }
    if (options.all === true) return done(null, found);
    const [first] = found;
    return done(null, first?.address ?? '', first?.family ?? 4);
  });
};
