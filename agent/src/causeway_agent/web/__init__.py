"""An HTTP/1.1 server over h11 and asyncio, as far as the agent's API needs one. Knows nothing of the agent.

line          a connection: octets in, held back when nobody takes them; octets out, when the client does
conversation  the requests of a line, one after the other, each step with its deadline
head          what may stand before a body, and what it says
message       a request and its answer
server        the conversations under way, and their end
"""
