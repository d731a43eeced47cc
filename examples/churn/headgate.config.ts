import { defineConfig } from "headgate";

export default defineConfig({
  project: "churn",
  onlineStore: "lmdb:.headgate/online",
});
