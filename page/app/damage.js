/** A message that is against the protocol. */
export class Damage extends Error {}
