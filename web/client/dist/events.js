/** The events of a stream, as they come. */
export async function* events(stream) {
    const reader = stream.getReader();
    const decoder = new TextDecoder();
    let text = "";
    try {
        for (;;) {
            const { done, value } = await reader.read();
            if (done)
                return;
            text += decoder.decode(value, { stream: true }).replaceAll("\r\n", "\n");
            for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
                const parsed = parse(text.slice(0, end));
                text = text.slice(end + 2);
                if (parsed)
                    yield parsed;
            }
        }
    }
    finally {
        await reader.cancel().catch(() => { });
    }
}
/** One event; null for a comment, which only keeps the connection open. */
function parse(block) {
    const found = { id: "", event: "message", data: [] };
    for (const line of block.split("\n")) {
        const [, name, value = ""] = /^(\w+): ?(.*)$/.exec(line) ?? [];
        if (name === "id")
            found.id = value;
        else if (name === "event")
            found.event = value;
        else if (name === "data")
            found.data.push(value);
    }
    return found.data.length > 0 ? { ...found, data: found.data.join("\n") } : null;
}
