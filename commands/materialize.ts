export async function materializeInterval(..._: unknown[]): Promise<number> {
  return 1;
}
export async function materializeIncremental(..._: unknown[]): Promise<number> {
  return 1;
}
