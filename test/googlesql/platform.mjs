/** Which of ZetaSQL's binaries runs on a machine, if any does. */

const BINARIES = {
  'linux-x64': 'remote_server.so',
  'linux-arm64': 'remote_server_arm.so',
  'darwin-x64': 'remote_server',
  'darwin-arm64': 'remote_server_arm',
};

/** File name of the binary, or null with the reason why there is none. */
export function binaryFor(platform, arch, isGlibc) {
  const binary = BINARIES[`${platform}-${arch}`];
  if (binary === undefined) {
    return { binary: null, reason: `there is no ZetaSQL binary for ${platform} on ${arch}` };
  }
  if (platform === 'linux' && !isGlibc) {
    return {
      binary: null,
      reason: "ZetaSQL's binaries for Linux need glibc, and this machine has another libc",
    };
  }
  return { binary, reason: null };
}

/** The one for this machine. */
export function binaryHere() {
  const isGlibc = process.report.getReport().header.glibcVersionRuntime !== undefined;
  return binaryFor(process.platform, process.arch, isGlibc);
}
