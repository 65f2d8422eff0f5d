/** Server-sent events over fetch, which Node has as well. */
export interface ServerEvent {
    id: string;
    event: string;
    data: string;
}
/** The events of a stream, as they come. */
export declare function events(stream: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent>;
