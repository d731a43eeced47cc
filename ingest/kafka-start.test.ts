import type { Admin } from "kafkajs";
import { expect, test } from "vitest";
import type { StartFrom } from "./kafka-offsets.ts";
import { decideStart } from "./kafka-start.ts";

const TOPIC = "orders";
const at = (partition: number, offset: bigint) => ({ topic: TOPIC, partition, offset });

/** Brokers of a topic with records 10 to 99 in each of three partitions, and what the group has committed, in turn. */
function brokers(...commits: readonly (readonly string[])[]): Admin {
  const looks = [...commits];
  return {
    fetchOffsets: async () => {
      const offsets = looks.length > 1 ? looks.shift()! : looks[0]!;
      return [
        { topic: TOPIC, partitions: offsets.map((offset, partition) => ({ partition, offset, metadata: null })) },
      ];
    },
    fetchTopicOffsets: async () => [0, 1, 2].map((partition) => ({ partition, offset: "99", high: "99", low: "10" })),
    fetchTopicOffsetsByTimestamp: async () => [0, 1, 2].map((partition) => ({ partition, offset: "50" })),
  } as unknown as Admin;
}

function decide(admin: Admin, startFrom: StartFrom, isLeader: boolean, partitions = [0, 1]) {
  const assignments = partitions.map((partition) => ({ topic: TOPIC, partition }));
  const { signal } = new AbortController();
  return decideStart({ admin, groupId: "g", assignments, isLeader, startFrom: () => startFrom, signal });
}

test("what the group has committed counts, and the rest begins where it is told", async () => {
  expect(await decide(brokers(["20", "-1", "-1"]), "earliest", false)).toEqual({
    committed: [at(0, 20n)],
    starts: [at(1, 10n)],
    startsOfOthers: [],
  });
  expect(await decide(brokers(["-1", "-1", "-1"]), { timestampMs: 1 }, false)).toMatchObject({
    starts: [at(0, 50n), at(1, 50n)],
  });
});

test("latest is decided once, by the leader for all; a partition that came later begins at its start", async () => {
  const none = ["-1", "-1", "-1"];
  expect(await decide(brokers(none), "latest", true)).toEqual({
    committed: [],
    starts: [at(0, 99n), at(1, 99n)],
    startsOfOthers: [at(2, 99n)],
  });
  expect(await decide(brokers(none, ["99", "99", "99"]), "latest", false)).toEqual({
    committed: [at(0, 99n), at(1, 99n)],
    starts: [],
    startsOfOthers: [],
  });
  expect(await decide(brokers(["99", "-1", "-1"]), "latest", true)).toMatchObject({ starts: [at(1, 10n)] });
});

test("a commit of no record, where retention took what was next, is the earliest that there is", async () => {
  for (const startFrom of ["latest", "earliest", { timestampMs: 1 }] as const) {
    expect(await decide(brokers(["-2", "30", "-1"]), startFrom, false)).toEqual({
      committed: [at(1, 30n)],
      starts: [at(0, 10n)],
      startsOfOthers: [],
    });
  }
});
