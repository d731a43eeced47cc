/**
 * How far event time has come in a partition, and how late events are against it. It is told in metrics and decides
 * nothing: what is newest is decided in the store, so a late event is written like any other and loses there if
 * something newer is.
 */

/** What was seen of a partition since it was last asked. */
export interface WatermarkProgress {
  /** The newest event timestamp of the partition so far, µs; −Infinity before the first. */
  readonly watermarkUs: number;
  /** Events that were older than one before them. */
  readonly lateEvents: number;
  /** By how much the latest of them was, µs; 0 when none was. */
  readonly latenessMaxUs: number;
}

/** The newest event timestamp of one partition. */
export class Watermark {
  #watermarkUs = Number.NEGATIVE_INFINITY;
  #lateEvents = 0;
  #latenessMaxUs = 0;

  /** Takes an event's timestamp, in the order of the partition. */
  observe(eventTimestampUs: number): void {
    const latenessUs = this.#watermarkUs - eventTimestampUs;
    if (latenessUs <= 0) {
      this.#watermarkUs = eventTimestampUs;
      return;
    }
    this.#lateEvents++;
    if (latenessUs > this.#latenessMaxUs) this.#latenessMaxUs = latenessUs;
  }

  /** What was seen since this was last asked; lateness is counted anew from here. */
  take(): WatermarkProgress {
    const progress = {
      watermarkUs: this.#watermarkUs,
      lateEvents: this.#lateEvents,
      latenessMaxUs: this.#latenessMaxUs,
    };
    this.#lateEvents = 0;
    this.#latenessMaxUs = 0;
    return progress;
  }
}
