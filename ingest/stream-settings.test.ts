import { expect, test } from "vitest";
import { consumerGroup, kafkaConnection, startFrom } from "./stream-settings.ts";

const settings = {
  project: "shop",
  projectDirectory: "/srv/shop",
  kafkaBrokers: "a:9092, b:9092",
  kafkaGroup: "",
  kafkaTls: "off",
  kafkaSaslMechanism: "none",
  kafkaUsername: "",
  kafkaPassword: "",
} as const;

test("brokers are a list, TLS is off, on or with the authorities of a file, a login is one only with a mechanism", () => {
  expect(kafkaConnection(settings)).toEqual({
    brokers: ["a:9092", "b:9092"],
    clientId: "headgate-shop",
    tls: false,
    sasl: undefined,
  });
  const login = { kafkaSaslMechanism: "scram-sha-512", kafkaUsername: "alice", kafkaPassword: "secret" } as const;
  expect(kafkaConnection({ ...settings, ...login, kafkaTls: "on" })).toMatchObject({
    tls: true,
    sasl: { mechanism: "scram-sha-512", username: "alice", password: "secret" },
  });
  expect(kafkaConnection({ ...settings, kafkaTls: "ca.pem" }).tls).toBe("/srv/shop/ca.pem");
});

test("without brokers the setting is named", () => {
  expect(() => kafkaConnection({ ...settings, kafkaBrokers: "" })).toThrow(
    expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringContaining("HEADGATE_KAFKA_BROKERS") }),
  );
});

test.each([
  ["a user without a mechanism", { kafkaUsername: "alice" }, /^kafkaUsername is set, but kafkaSaslMechanism is "none"/],
  ["a password without one", { kafkaPassword: "secret" }, /^kafkaPassword is set, but kafkaSaslMechanism is "none"/],
  ["a mechanism without a user", { kafkaSaslMechanism: "plain" }, /^kafkaSaslMechanism is "plain", but kafkaUsername/],
] as const)("%s is half a login and refused", (_, half, sentence) => {
  expect(() => kafkaConnection({ ...settings, ...half })).toThrow(
    expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringMatching(sentence) }),
  );
});

test("views that are ingested by themselves have a group of theirs", () => {
  expect(consumerGroup(settings, undefined)).toBe("headgate-shop");
  expect(consumerGroup({ ...settings, kafkaGroup: "mine" }, undefined)).toBe("mine");
  expect(consumerGroup(settings, ["b", "a", "b"])).toBe("headgate-shop:a+b");
});

test("a group starts at an end of its topics or at a time", () => {
  expect([startFrom("earliest"), startFrom("latest")]).toEqual(["earliest", "latest"]);
  expect(startFrom("2026-11-23T06:00:00.5Z")).toEqual({ timestampMs: Date.UTC(2026, 10, 23, 6, 0, 0, 500) });
});
