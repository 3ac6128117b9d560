document.title = "relay";
