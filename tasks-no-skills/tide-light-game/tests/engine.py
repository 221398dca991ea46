"""The game: `start()` is the first state, `step(state, command)` gives the next one and what is said. States are plain dicts."""

PERIOD, LOW_FROM, LOW_TO = 30, 8, 19  # the water is low while LOW_FROM <= turn % PERIOD < LOW_TO
HANDS, BRIDGE_HANDS = 4, 2
FILL, BEACON_OIL = 12, 3
RELICS = ("pearl", "cup", "bell", "chart")
SHINY = ("cup", "bell")
ROPES = ("blue", "red", "white", "green")
TIDAL = ("causeway", "sea cave")
DARK = ("sea cave", "grotto", "crypt")
WAYS = {"n": "north", "s": "south", "e": "east", "w": "west", "u": "up", "d": "down"}

EXITS = {
    "harbour": {"north": "lane", "east": "causeway", "south": "boathouse", "west": "cliff"},
    "boathouse": {"north": "harbour"},
    "lane": {"south": "harbour", "north": "cottage", "east": "smokehouse"},
    "cottage": {"south": "lane"},
    "smokehouse": {"west": "lane"},
    "cliff": {"east": "harbour", "west": "bridge", "up": "lighthouse"},
    "bridge": {"east": "cliff", "west": "headland"},
    "headland": {"east": "bridge", "down": "sea cave"},
    "sea cave": {"up": "headland", "north": "grotto"},
    "grotto": {"south": "sea cave"},
    "causeway": {"west": "harbour", "east": "islet"},
    "islet": {"west": "causeway", "north": "chapel"},
    "chapel": {"south": "islet", "up": "belfry", "down": "crypt"},
    "belfry": {"down": "chapel"},
    "crypt": {"up": "chapel"},
    "lighthouse": {"down": "cliff", "up": "lantern room"},
    "lantern room": {"down": "lighthouse"},
}
PLACES = {
    "harbour": "The harbour. Ropes, gulls, a tide gauge. A causeway of flat stones leads east to an islet when the sea lets it.",
    "boathouse": "The boathouse. A barrel of lamp oil stands on trestles, almost empty: good for two fills.",
    "lane": "A lane between hedges. A cottage lies to the north; smoke hangs over a shed in the east.",
    "cottage": "The sexton's cottage, long left. A note is pinned to the door.",
    "smokehouse": "The smokehouse. It smells as it must.",
    "cliff": "The foot of the cliff. The lighthouse stands above, behind a gate. A path of planks runs west.",
    "bridge": "A bridge of old planks over a cleft. It does not look as if it would bear much.",
    "headland": "The headland. Steps cut into the rock go down to the water.",
    "sea cave": "A cave, worn out by the sea. Weed hangs from the ceiling. A passage climbs to the north.",
    "grotto": "A dry grotto above the reach of the water.",
    "causeway": "On the causeway, between harbour and islet. The stones are wet.",
    "islet": "The islet. Thrift and broken slates; a chapel to the north.",
    "chapel": "The chapel. Words are cut into the lintel. A ladder goes up, and there is a slab in the floor.",
    "belfry": "The belfry. Four ropes hang here: blue, green, red and white.",
    "crypt": "The crypt under the chapel.",
    "lighthouse": "Inside the lighthouse, at the foot of the stairs.",
    "lantern room": "The lantern room. An empty shelf with room for four things; a beacon, cold.",
}
TEXTS = {
    ("cottage", "note"): "'The slab hears the bells. Each rope once. He never began with white, and red came straight after blue.'",
    ("chapel", "lintel"): "'GREEN HATH THE LAST WORD'",
    ("harbour", "gauge"): "'From low to low: thirty. Mind the turn: it waits for none. What the sea takes it leaves in the grotto.'",
    ("cliff", "gate"): "'No entry without the keeper's key.' Scratched below: 'hide bright things from that gull, or feed it'",
}


def start():
    things = {"lamp": "boathouse", "flint": "cottage", "fish": "smokehouse", "pearl": "grotto", "cup": "crypt", "bell": "belfry", "chart": "headland", "key": "sea cave"}
    return {"turn": 0, "room": "harbour", "things": things, "oil": 0, "lit": False, "fills": 2, "rung": 0, "slab": False, "gate": False, "fed": False, "won": False}


def low(state):
    return LOW_FROM <= state["turn"] % PERIOD < LOW_TO


def held(state):
    return [thing for thing, place in state["things"].items() if place == "hands"]


def sees(state):
    """Whether there is light where the player is."""
    return state["room"] not in DARK or (state["lit"] and state["things"]["lamp"] in ("hands", state["room"]))


def look(state):
    if not sees(state):
        return "It is pitch dark."
    here = [thing for thing, place in state["things"].items() if place == state["room"]]
    said = PLACES[state["room"]] + (f" Here: {', '.join(here)}." if here else "")
    said += f" Ways: {', '.join(EXITS[state['room']])}."
    if state["room"] in ("harbour", "islet", "headland", "causeway"):
        said += " The water is low." if low(state) else " The water is high."
    return said


def go(state, way):
    room, load = state["room"], len(held(state))
    target = EXITS[room].get(way)
    if target is None:
        return "There is no way there."
    if not sees(state) and target in DARK:
        return "You grope about in the dark and find no way on."
    if target in TIDAL and not low(state):
        return "The water is too high."
    if target == "bridge" and load > BRIDGE_HANDS:
        return f"The planks groan. Not with more than {BRIDGE_HANDS} things in your hands."
    if target == "lighthouse" and not state["gate"]:
        return "The gate is locked."
    if target == "crypt" and not state["slab"]:
        return "The slab does not move."
    state["room"] = target
    if target == "cliff" and not state["fed"]:
        stolen = [thing for thing in held(state) if thing in SHINY]
        if stolen:
            state["things"][stolen[0]] = "headland"
            return f"A gull dives, snatches the {stolen[0]} and carries it off to the headland. " + look(state)
    return look(state)


def take(state, thing):
    if not sees(state):
        return "You cannot see a thing."
    if state["things"].get(thing) != state["room"]:
        return "There is no such thing here."
    if len(held(state)) >= HANDS:
        return f"You cannot carry more than {HANDS} things."
    state["things"][thing] = "hands"
    return "Taken."


def drop(state, thing):
    if state["things"].get(thing) != "hands":
        return "You do not have that."
    state["things"][thing] = state["room"]
    if thing == "fish" and state["room"] == "cliff":
        state["things"]["fish"], state["fed"] = "gull", True
        return "The gull swallows the fish whole and looks at you with approval."
    return "Dropped."


def lamp(state, verb):
    if state["things"]["lamp"] != "hands":
        return "You do not have the lamp."
    if verb == "fill":
        if state["room"] != "boathouse" or not state["fills"]:
            return "There is no oil here."
        state["fills"] -= 1
        state["oil"] = FILL
        return f"The lamp is full: it burns for {FILL} turns."
    if verb == "light" and not state["oil"]:
        return "The lamp is empty."
    state["lit"] = verb == "light"
    return "The lamp burns." if state["lit"] else "The lamp is out."


def pull(state, rope):
    if state["room"] != "belfry" or rope not in ROPES:
        return "There is no such rope here."
    if rope != ROPES[state["rung"]]:
        state["rung"] = 1 if rope == ROPES[0] else 0
        return "A dull note."
    state["rung"] += 1
    if state["rung"] < len(ROPES):
        return "A clear note."
    state["rung"], state["slab"] = 0, True
    return "A clear note; below, stone grinds on stone."


def beacon(state):
    if state["room"] != "lantern room":
        return "There is no beacon here."
    if any(state["things"][relic] != "lantern room" for relic in RELICS):
        return "The beacon will not be lit before the four lost things stand on the shelf: pearl, cup, bell and chart."
    if state["things"]["flint"] != "hands" or state["things"]["lamp"] != "hands" or state["oil"] < BEACON_OIL:
        return f"It takes a flint, and {BEACON_OIL} turns' worth of oil from the lamp."
    state["won"] = True
    return "The beacon flares up. You have won."


def act(state, words):
    """What happens; None if it is not understood."""
    verb, rest = words[0], " ".join(words[1:])
    if len(words) == 1 and WAYS.get(verb, verb) in WAYS.values():
        return go(state, WAYS.get(verb, verb))
    if verb == "go" and WAYS.get(rest, rest) in WAYS.values():
        return go(state, WAYS.get(rest, rest))
    if verb in ("fill", "light", "douse") and rest == "lamp":
        return lamp(state, verb)
    if words == ["light", "beacon"]:
        return beacon(state)
    if words == ["unlock", "gate"]:
        if state["room"] != "cliff" or state["things"]["key"] != "hands":
            return "That does not work."
        state["gate"] = True
        return "The gate is open."
    if verb in ("take", "drop", "pull") and rest:
        return {"take": take, "drop": drop, "pull": pull}[verb](state, rest.removesuffix(" rope") if verb == "pull" else rest)
    if words == ["wait"]:
        return "Time passes."
    return None


def free(state, words):
    """What costs no turn: look, inventory, read; None for anything else."""
    if words == ["look"]:
        return look(state)
    if words == ["inventory"]:
        oil = f" Oil for {state['oil']} turns." if "lamp" in held(state) else ""
        return f"Turn {state['turn']}. You carry: {', '.join(held(state)) or 'nothing'}.{oil}"
    if words[0] == "read" and len(words) == 2:
        return TEXTS.get((state["room"], words[1]), "There is nothing to read.")
    return None


def step(state, command):
    """(next state, what is said). What is understood costs a turn, done or not; the rest is free."""
    state = {**state, "things": dict(state["things"])}
    words = command.lower().split()
    if not words:
        return state, "Say something."
    if state["won"]:
        return state, "The game is over: you have won."
    said = free(state, words)
    if said is not None:
        return state, said
    said = act(state, words)
    if said is None:
        return state, "I do not understand. (north … down, take, drop, light, douse, fill, pull, unlock, wait; free: look, inventory, read)"
    state["turn"] += 1
    if state["lit"]:
        state["oil"] -= 1
        if state["oil"] <= 0:
            state["oil"], state["lit"] = 0, False
            said += " The lamp goes out."
    if state["room"] in TIDAL and not low(state) and not state["won"]:
        lost = held(state)
        for thing in lost:
            state["things"][thing] = "grotto"
        state["room"], state["lit"] = "harbour", False
        said += " The tide comes in and sweeps you away. You come to in the harbour" + (f", without {', '.join(lost)}." if lost else ".")
    return state, said
