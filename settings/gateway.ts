/** Settings of the gateway: where it listens, what a request may take, how it stops. */

import { count, text, wait, waitOrNone } from "./setting.ts";

/** The table; see config.ts. */
export const GATEWAY_SETTINGS = Object.freeze({
  host: text(
    "HEADGATE_HOST",
    "address",
    "127.0.0.1",
    "The address the gateway listens on. 0.0.0.0 opens it to the network: set adminToken as well.",
  ),
  port: count("HEADGATE_PORT", "TCP port", 8080, [0, 65_535], "The port the gateway listens on; 0 takes a free one."),
  workers: count(
    "HEADGATE_WORKERS",
    "processes",
    1,
    [1, 64],
    "Processes that serve on the same port, one per core at most. Each has its own models and its own memory of rows, so cacheBytes and the models' memory count once for each.",
  ),
  adminToken: text(
    "HEADGATE_ADMIN_TOKEN",
    "secret",
    "",
    "Bearer token for admin calls. Where it is set, the feature-debug view, explain and /get-online-features, which show people's data, need it too.",
  ),
  maxEntities: count(
    "HEADGATE_MAX_ENTITIES",
    "entities",
    1_000,
    [1, 1_000_000],
    "The most entities in one request. A larger request holds the event loop longer, and every other request waits.",
  ),
  maxBodyBytes: count(
    "HEADGATE_MAX_BODY_BYTES",
    "bytes",
    1_048_576,
    [1_024, 1_073_741_824],
    "The largest request body. It is held in memory whole, once for each request under way.",
  ),
  deadline: wait(
    "HEADGATE_DEADLINE",
    "5s",
    "How long a prediction may take when the caller sends no x-deadline-ms. Past it the answer is 504; one that is expected to take more than three quarters of it is refused at once with 503, so a longer one means longer queues under overload.",
  ),
  maxBatchRows: count(
    "HEADGATE_MAX_BATCH_ROWS",
    "rows",
    1_024,
    [1, 1_000_000],
    "The most entities in one run of a model. Larger runs are more efficient and hold the event loop longer.",
  ),
  maxQueueRows: count(
    "HEADGATE_MAX_QUEUE_ROWS",
    "rows",
    16_384,
    [1, 10_000_000],
    "The most entities waiting for a model, whatever their deadlines. Beyond it requests are refused with 503; it bounds the memory that waiting takes.",
  ),
  drainGrace: waitOrNone(
    "HEADGATE_DRAIN_GRACE",
    "100ms",
    "On SIGTERM, how long /readyz says 503 while requests are still taken, so that a load balancer can look away. Set it above the balancer's probe interval, or to 0s where there is none.",
  ),
  drainTimeout: wait(
    "HEADGATE_DRAIN_TIMEOUT",
    "30s",
    "On SIGTERM, how long accepted requests may take to finish before their connections are cut.",
  ),
});
