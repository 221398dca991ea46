#!/bin/bash
# Cave and headland in the first low water, in to the islet on the second, back on the third.
cat > /app/moves.txt <<'EOF'
south
take lamp
fill lamp
north
west
west
west
light lamp
down
north
take pearl
south
up
east
drop pearl
west
down
take key
up
east
east
east
north
east
take fish
west
south
south
fill lamp
north
west
drop fish
unlock gate
drop key
west
west
take chart
east
take pearl
east
up
up
drop pearl
drop chart
down
down
east
east
east
wait
wait
wait
wait
north
up
take bell
pull blue
pull red
pull white
pull green
down
down
light lamp
take cup
up
south
douse lamp
wait
west
west
north
north
take flint
south
south
west
up
up
drop cup
drop bell
light beacon
EOF
