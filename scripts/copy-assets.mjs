console.log("assets: nothing yet");
