from reachbook.cli import main

main()
