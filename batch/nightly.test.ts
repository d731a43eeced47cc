import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { NightReport } from "./night.ts";
import { keepSchedule, type NightlyEvent, type NightlyOptions, parseSchedule, waitingUntil } from "./nightly.ts";

const at = (text: string) => Date.parse(text.includes("T") ? text : `2026-11-23T${text}Z`);
const iso = (ms: number | undefined) => (ms === undefined ? undefined : new Date(ms).toISOString());

describe("a schedule", () => {
  const START_MS = at("00:00:00");

  test("has next times and last times, which meet at a time itself", () => {
    const nightly = parseSchedule("0 2 * * *", "UTC", START_MS);
    expect(iso(nightly.next(START_MS))).toBe("2026-11-23T02:00:00.000Z");
    expect(iso(nightly.next(at("02:00:00")))).toBe("2026-11-24T02:00:00.000Z");
    expect(iso(nightly.last(at("02:00:00")))).toBe("2026-11-23T02:00:00.000Z");
    expect(iso(nightly.last(at("02:00:00.700")))).toBe("2026-11-23T02:00:00.000Z");
    expect(iso(nightly.last(at("01:59:59.999")))).toBe("2026-11-22T02:00:00.000Z");
  });

  test("is of its zone, a time left out by daylight saving moves on and a repeated one comes once", () => {
    const nightly = parseSchedule("30 2 * * *", "Europe/Berlin", START_MS);
    const times = (from: string) => {
      const first = nightly.next(at(from))!;
      return [iso(first), iso(nightly.next(first))];
    };
    expect(times("2026-03-28T12:00:00Z")).toEqual(["2026-03-29T01:30:00.000Z", "2026-03-30T00:30:00.000Z"]);
    expect(times("2026-10-24T12:00:00Z")).toEqual(["2026-10-25T00:30:00.000Z", "2026-10-26T01:30:00.000Z"]);
  });

  test("never has a last time that is to come, at the changes of daylight saving neither", () => {
    for (const pattern of ["30 2 * * *", "0 * * * *", "*/15 * * * *"]) {
      const schedule = parseSchedule(pattern, "Europe/Berlin", START_MS);
      for (const day of ["2026-03-29", "2026-10-25"]) {
        for (let minute = 0; minute < 300; minute += 5) {
          const atMs = Date.parse(`${day}T00:00:00Z`) + minute * 60_000;
          expect(schedule.last(atMs)).toBeLessThanOrEqual(atMs);
        }
      }
    }
  });

  test("has seconds as its first part of six", () => {
    const everySecond = parseSchedule("* * * * * *", "UTC", START_MS);
    expect(iso(everySecond.next(at("02:00:00.999")))).toBe("2026-11-23T02:00:01.000Z");
  });

  test.each([
    ["tonight", "UTC", /nightlySchedule "tonight"/],
    ["0 25 * * *", "UTC", /nightlySchedule "0 25 \* \* \*"/],
    ["0 0 30 2 *", "UTC", /no such time to come/],
    ["2020-01-01T00:00:00", "UTC", /no such time to come/],
    ["0 2 * * *", "Mars/Base", /Mars\/Base/],
  ])("refuses %s in %s", (pattern, timezone, told) => {
    const parse = () => parseSchedule(pattern, timezone, START_MS);
    expect(parse).toThrow(expect.objectContaining({ code: "CONFIG_INVALID" }));
    expect(parse).toThrow(told);
  });
});

describe("keeping a schedule", () => {
  const heard: NightlyEvent[] = [];
  const listener = (event: unknown) => void heard.push(event as NightlyEvent);
  beforeEach(() => subscribe("headgate:nightly", listener));
  afterEach(() => {
    unsubscribe("headgate:nightly", listener);
    heard.length = 0;
  });
  const told = () =>
    heard.map((event) => {
      if (event.kind === "ended") return `ended ${event.report.status}`;
      if (event.kind === "retrying") return event.kind;
      const times = event.kind === "skipped" ? ` and so ${event.times}` : "";
      return `${event.kind} ${new Date(event.dueMs).toISOString().slice(11, 19)}${times}`;
    });

  /** Keeps a schedule of every hour until so many nights have begun; a night takes `minutes`. */
  async function keep(
    from: string,
    nights: readonly Partial<NightReport & { minutes: number }>[],
    done?: string,
    asleepMinutes = 0,
  ) {
    let nowMs = at(from);
    const stopped = new AbortController();
    const untils: (string | undefined)[] = [];
    let begun = 0;
    const options: NightlyOptions = {
      schedule: parseSchedule("0 * * * *", "UTC", nowMs),
      night: async (untilMs) => {
        const { minutes = 1, status = "done" } = nights[begun++]!;
        untils.push(iso(untilMs)?.slice(11, 19));
        nowMs += minutes * 60_000;
        return { status, started_at: "", seconds: 0, tries: 1, steps: {} };
      },
      materializedMs: async () => (done === undefined ? undefined : at(done)),
      now: () => nowMs,
      waitUntil: async (atMs) => {
        if (begun === nights.length) stopped.abort();
        else nowMs = Math.max(nowMs, atMs) + asleepMinutes * 60_000;
      },
      signal: stopped.signal,
    };
    await keepSchedule(options);
    return untils;
  }

  test("nights begin at their times, and a failing one is no end", async () => {
    expect(await keep("01:30:00", [{}, { status: "failed" }, {}], "01:00:05")).toEqual([
      "03:00:00",
      "04:00:00",
      "05:00:00",
    ]);
    expect(told()).toEqual([
      ...["waiting 02:00:00", "started 02:00:00", "ended done"],
      ...["waiting 03:00:00", "started 03:00:00", "ended failed"],
      ...["waiting 04:00:00", "started 04:00:00", "ended done"],
      "waiting 05:00:00",
    ]);
  });

  test("a night longer than the interval skips the times that pass, and tells it", async () => {
    await keep("01:30:00", [{ minutes: 150 }, {}], "01:00:05");
    expect(told().slice(2)).toEqual([
      ...["ended done", "skipped 03:00:00 and so 2"],
      ...["waiting 05:00:00", "started 05:00:00", "ended done", "waiting 06:00:00"],
    ]);
  });

  test("a host that slept through its time gives the night until the next time from when it woke", async () => {
    expect(await keep("01:30:00", [{}, {}], "01:00:05", 90)).toEqual(["04:00:00", "06:00:00"]);
  });

  test("a process that starts behind its time catches up at once, and then keeps to the times", async () => {
    await keep("01:30:00", [{}, {}], "00:59:59");
    expect(told().slice(0, 4)).toEqual(["started 01:30:00", "ended done", "waiting 02:00:00", "started 02:00:00"]);
    expect(heard[0]).toMatchObject({ isLate: true });
  });

  test("a store in which a view was never materialized is behind, too", async () => {
    await keep("01:30:00", [{}]);
    expect(told()[0]).toBe("started 01:30:00");
  });

  test("a schedule without another time ends", async () => {
    let nowMs = at("01:30:00");
    await keepSchedule({
      schedule: parseSchedule("0 0 2 23 11 * 2026", "UTC", nowMs),
      night: async () => ({ status: "done", started_at: "", seconds: 0, tries: 1, steps: {} }),
      materializedMs: async () => nowMs,
      now: () => nowMs,
      waitUntil: async (atMs) => {
        nowMs = atMs;
      },
      signal: new AbortController().signal,
    });
    expect(told()).toEqual(["waiting 02:00:00", "started 02:00:00", "ended done"]);
  });
});

test("waiting looks at the clock every minute, so one that is set is noticed, and ends on the signal", async () => {
  let nowMs = 0;
  const pauses: number[] = [];
  const stopped = new AbortController();
  const waitUntil = waitingUntil(
    () => nowMs,
    async (ms) => {
      pauses.push(ms);
      nowMs += pauses.length === 2 ? 3_600_000 : ms;
    },
  );
  await waitUntil(3_700_000, stopped.signal);
  expect(pauses).toEqual([60_000, 60_000, 40_000]);
  stopped.abort();
  await waitUntil(9e15, stopped.signal);
  expect(pauses.length).toBe(3);
});
