"""Operations, written once for the blocking verbs and for asyncio, and what drives them."""
