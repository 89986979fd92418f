/** Keys that ascend as numbers and as bytes. */
export function ascendingKeys() {
  let sequence = 0;
  return () => {
    const key = Buffer.allocUnsafe(8);
    key.writeUInt32BE(Math.floor(sequence / 2 ** 32), 0);
    key.writeUInt32BE(sequence >>> 0, 4);
    sequence++;
    return key;
  };
}
