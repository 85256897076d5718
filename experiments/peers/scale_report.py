"""The report of `engine_scale.py`: its tables."""

from typing import Any

from measuring import markdown_table


def to_markdown(report: dict[str, Any]) -> str:
    spent, reads = report["coordinator"], report["reads"]
    names = {
        "sending": "pickling the order and its answer",
        "bookkeeping": "bookkeeping, and its rows",
        "commit": "commit to a store in memory",
        "fsync": "waiting for this disk (3 files)",
        "collecting": "reading it again, for the results at the end",
    }
    kept = spent["bookkeeping_ms"], spent["sending_ms"] + spent["bookkeeping_ms"] + spent["commit_ms"]
    alone, with_store = (f"{1000 / milliseconds:,.0f}" for milliseconds in kept)
    virtual = [
        [f"{row['workers']:,}", *(f"{row[name]:.4g}" for name in ("chunk_seconds", "measured", "model"))]
        for row in report["virtual"]
    ]
    real = []
    for row in report["workers"]:
        ratio, idle = row["to_local"], row["not_training"]
        time = f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})"
        share = f"{idle['median']:.1%} ({idle['min']:.1%} to {idle['max']:.1%})"
        real.append([row["workers"], f"{row['chunk_seconds']['median']:.1f}", time, share])
    parts = [
        markdown_table(
            ["the coordinator, for each chunk", "ms"],
            [[words, f"{spent[f'{name}_ms']:.2f}"] for name, words in names.items()],
        ),
        f"{spent['chunks']:,} chunks; an order is {spent['order_bytes']:,} bytes and its answer "
        f"{spent['answer_bytes']:,}. {alone} chunks per second in bookkeeping alone, {with_store} sent, "
        f"received and committed, without waiting for the disk. {spent['prepared_mb']:.0f} MB at first, "
        f"at most {spent['peak_mb']:.0f} MB, with a store {spent['peak_mb_with_store']:.0f} MB.",
        markdown_table(
            ["virtual workers", "seconds of a chunk", "chunks per second", "by the model"], virtual
        ),
        markdown_table(
            ["workers of a core", "seconds of a chunk", "time to in process", "not training"], real
        ),
        f"{len(reads)} workers read {sum(read[1] for read in reads) / 1e6:.0f} MB, each once.",
    ]
    return "\n\n".join(parts) + "\n"
