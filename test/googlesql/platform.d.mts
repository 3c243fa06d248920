export type Binary = { binary: string; reason: null } | { binary: null; reason: string };
export function binaryFor(platform: string, arch: string, isGlibc: boolean): Binary;
export function binaryHere(): Binary;
